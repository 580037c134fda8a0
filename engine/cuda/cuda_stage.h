/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_stage.h - internal: the input stage of a session's streams on the
 * device. Planes go there as they are (or are there already); what changed
 * comes back as mask words, by which the host decides; changed pixels never
 * leave the device.
 */
#ifndef DCNN_ENGINE_CUDA_STAGE_H
#define DCNN_ENGINE_CUDA_STAGE_H

#include <cuda_runtime_api.h>

#include "cpu.h"
#include "dcnn_cuda.h"

G_BEGIN_DECLS

typedef struct CudaStage CudaStage;

/* NULL without error: the model has no image input. map: the input's, in
 * device memory, for stream 0. updated, exact: its masks there, [streams]
 * [words]. Freed with the session. */
gboolean dcnn_cuda_stage_new (DcnnSession *session, gint map, gpointer data,
    guint pixel, gboolean f32, const guint64 *updated, const guint64 *exact,
    CudaStage **stage, GError **error);
void dcnn_cuda_stage_free (CudaStage *stage);
/* The same before it is made, for that map of a plan. */
gsize dcnn_cuda_stage_predict (const DcnnPlan *plan, guint map, guint streams);
gsize dcnn_cuda_stage_bytes (const CudaStage *stage);
/* What of it moves with the window. */
DcnnCudaShift dcnn_cuda_stage_shift (const CudaStage *stage);

/* Pictures of the frames (those that have one) into the stage: afterwards
 * every such stream has its update mask, its settling and what else
 * dcnn_picture_decide() decides. Waits for the masks. */
gboolean dcnn_cuda_stage_convert (CudaStage *stage, DcnnSession *session,
    const BackendFrame *frames, guint n, cudaStream_t queue, GError **error);
/* After the masks `updated` and `exact` are on their way: what they say into
 * reference and input map, for the frames of the last convert. */
cudaError_t dcnn_cuda_stage_store (CudaStage *stage, cudaStream_t queue);

G_END_DECLS

#endif
