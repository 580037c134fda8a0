/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * kernels.h - kernels by the address that they are launched by.
 */
#ifndef DCNN_EMULATED_KERNELS_H
#define DCNN_EMULATED_KERNELS_H

#include <functional>
#include <map>
#include <tuple>

/* Arguments as a launch has them to a call with copies of them. */
typedef std::function<std::function<void ()> (void **)> EmulatedBind;

template<typename... A, std::size_t... I>
static std::function<void ()>
emulated_bind (void (*kernel) (A...), void **arguments,
    std::index_sequence<I...>)
{
  std::tuple<typename std::remove_const<A>::type...> copies (
      *static_cast<typename std::remove_const<A>::type *> (arguments[I])...);
  return [=] { std::apply (kernel, copies); };
}

struct EmulatedKernel {
  const void *address;
  EmulatedBind bind;

  template<typename... A>
  EmulatedKernel (void (*kernel) (A...)) : address ((const void *) kernel),
      bind ([=] (void **arguments) {
        return emulated_bind (kernel, arguments,
            std::index_sequence_for<A...> ()); })
  {
  }
};

/* All of the program. */
std::map<const void *, EmulatedBind> &emulated_kernels ();

#endif
