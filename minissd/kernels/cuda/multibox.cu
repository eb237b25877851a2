// The multibox loss and its gradients; multibox.py calls these kernels.
//
// N images, P priors, C classes with the background as class 0. A thread has one prior.

#include "rows.cuh"

constexpr int THREADS = 128;  // of a block, where losses are added up

// Smooth L1 loss (x) of a difference, and its slope (y): a parabola within `bend`, straight lines outside.
// With a bend of 1 it is the paper's, with 0 L1. NaN stays, which fminf and fmaxf would drop.
__device__ float2 smooth_l1(float difference, float bend) {
  const float sign = difference > 0 ? 1 : difference < 0 ? -1 : difference;
  const bool inside = fabsf(difference) < bend;
  const float slope = inside ? difference / bend : sign;
  return make_float2(slope * (inside ? difference / 2 : difference - sign * bend / 2), slope);
}

// Write the sum of the losses of a block's threads, added up in pairs: always in the same order.
__device__ void add_up(double loss, double* sum) {
  __shared__ double losses[THREADS];
  losses[threadIdx.x] = loss;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) losses[threadIdx.x] += losses[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *sum = losses[0];
}

// Cross entropy of every prior of the batch, R = N P; NaN where the target is no class.
//
//   conf    (R, C)
//   target  (R,)
//   loss    (R,)
//
// Block b has the rows from b blockDim.x on; shared memory holds their logits.
extern "C" __global__ void cross_entropy(const float* conf, const long long* target, float* loss,
                                         long long num_rows, int num_classes) {
  const float* row = row_of_thread(conf, num_rows, num_classes);
  const long long r = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= num_rows) return;
  const float top = largest(row, num_classes);
  float sum = 0;
  for (int c = 0; c < num_classes; c++) sum += expf(row[c] - top);
  const bool is_class = 0 <= target[r] && target[r] < num_classes;
  loss[r] = is_class ? logf(sum) + (top - row[target[r]]) : nanf("");
}

// Gradient and sum of the cross entropies that count: those of positives, of negatives, of both twice, and
// those that are no numbers.
//
//   conf, dconf                          (N, P, C); dconf comes as zeros
//   target, conf_loss, positive, negative  (N, P)
//   weight                               (N,), of the losses of each image
//   sums                                 (N, blocks), of the losses of each block
//
// Block (b, n) has the priors of image n from b THREADS on. Few count, and only their rows are touched.
extern "C" __global__ void confidence_loss(const float* conf, const long long* target, const float* conf_loss,
                                           const bool* positive, const bool* negative, const double* weight,
                                           float* dconf, double* sums, int num_priors, int num_classes) {
  const int prior = blockIdx.x * THREADS + threadIdx.x, image = blockIdx.y;
  const long long r = (long long)image * num_priors + prior;
  double loss = 0;
  if (prior < num_priors) {
    const bool is_number = conf_loss[r] == conf_loss[r];
    const int times = max(positive[r] + negative[r], is_number ? 0 : 1);
    if (times > 0) {
      const float* row = conf + r * num_classes;
      const float top = largest(row, num_classes), factor = float(times * weight[image]);
      float sum = 0;
      for (int c = 0; c < num_classes; c++) sum += expf(row[c] - top);
      for (int c = 0; c < num_classes; c++)
        dconf[r * num_classes + c] = expf(row[c] - top) * (factor / sum) - (c == target[r] ? factor : 0);
      loss = times * double(conf_loss[r]);
    }
  }
  add_up(loss, sums + (long long)image * gridDim.x + blockIdx.x);
}

// Gradient and sum of the losses of the matched priors' offsets.
//
//   loc, loc_target, dloc  (N, P, 4), a float4 each prior
//   positive               (N, P)
//   weight                 (N,), of the losses of each image
//   sums                   (N, blocks), of the losses of each block
//
// Block (b, n) has the priors of image n from b THREADS on.
extern "C" __global__ void localisation_loss(const float4* loc, const float4* loc_target,
                                             const bool* positive, const float* weight, float4* dloc,
                                             double* sums, int num_priors, float bend) {
  const int prior = blockIdx.x * THREADS + threadIdx.x, image = blockIdx.y;
  const long long r = (long long)image * num_priors + prior;
  double loss = 0;
  if (prior < num_priors) {
    float4 gradient = make_float4(0, 0, 0, 0);
    if (positive[r]) {
      const float4 a = loc[r], b = loc_target[r];
      const float2 x = smooth_l1(a.x - b.x, bend), y = smooth_l1(a.y - b.y, bend);
      const float2 z = smooth_l1(a.z - b.z, bend), w = smooth_l1(a.w - b.w, bend);
      const float factor = weight[image];
      gradient = make_float4(x.y * factor, y.y * factor, z.y * factor, w.y * factor);
      loss = double(x.x) + y.x + z.x + w.x;
    }
    dloc[r] = gradient;
  }
  add_up(loss, sums + (long long)image * gridDim.x + blockIdx.x);
}
