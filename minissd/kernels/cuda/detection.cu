// From the predictions of a batch to its detections; detection.py calls these four kernels.
//
// N images, P priors, C classes with the background as class 0; class c of the objects is row c - 1. Sums,
// products and comparisons are those of minissd.kernels.postprocess and in its order, so that the detections
// are too. A product whose sum must not be fused with it is written __fmul_rn or __dmul_rn.

#include "rows.cuh"
#include "selection.cuh"

constexpr int ROOM = 1024;  // for the best candidates of a class, top_k at most

struct Detection {
  float4 box_xyxy;
  float score;
  int label, prior;
};

// e to the power of x, at most 40, step by step as minissd.nn.fast.vector_functions.exp: not more exact than
// expf, but the same on both devices, and so are the scores.
__device__ float exponential(float x) {
  constexpr float LOG2_E = 1.4426950408889634, ROUNDER = 12582912 + 64;  // there floats are whole numbers
  constexpr float LN2_HIGH = 0.693359375, LN2_LOW = 0.6931471805599453 - 0.693359375;
  constexpr float LOWEST = -104, LOWER_AGAIN = 1.0 / (1ull << 32) / (1ull << 32);  // 2^-64
  const float raised = fmaf(LOWEST > x ? LOWEST : x, LOG2_E, ROUNDER);  // the last bits hold n + 64
  const float n = raised - ROUNDER;
  const float r = fmaf(-n, LN2_LOW, fmaf(-n, LN2_HIGH, LOWEST > x ? LOWEST : x));
  float series = fmaf(float(1.0 / 5040), r, float(1.0 / 720));
  series = fmaf(series, r, float(1.0 / 120));
  series = fmaf(series, r, float(1.0 / 24));
  series = fmaf(series, r, float(1.0 / 6));
  series = fmaf(series, r, float(1.0 / 2));
  series = fmaf(fmaf(series, r, 1), r, 1);
  const float power_of_two = __uint_as_float((__float_as_uint(raised) << 23) + __float_as_uint(1));
  return (LOWEST > x ? 0 : series * power_of_two) * LOWER_AGAIN;
}

// Softmax, class by class.
//
//   conf    (N, P, C)
//   scores  (N, C - 1, P), without the background
//
// A thread has one prior of the batch; block b those from b blockDim.x on, whose logits are in shared memory.
extern "C" __global__ void softmax(const float* conf, float* scores, long long num_images, int num_priors,
                                   int num_classes) {
  const long long num_rows = num_images * num_priors;
  const float* row = row_of_thread(conf, num_rows, num_classes);
  const long long r = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= num_rows) return;
  const long long image = r / num_priors;
  float* column = scores + image * (num_classes - 1) * num_priors + r % num_priors;
  const float top = largest(row, num_classes);
  float sum = 0;
  for (int c = 0; c < num_classes; c++) sum += exponential(row[c] - top);
  const float share = 1 / sum;
  for (int c = 1; c < num_classes; c++)
    column[(long long)(c - 1) * num_priors] = exponential(row[c] - top) * share;
}

__device__ float cut(float edge, float first, float last) {
  edge = edge < first ? first : edge;  // NaN stays
  return edge > last ? last : edge;
}

// Boxes from offsets.
//
//   loc            (N, P, 4), a float4 each
//   priors_cxcywh  (P, 4)
//   boxes_xyxy     (N, P, 4)
//
// A thread has one prior of the batch.
extern "C" __global__ void decode(const float4* loc, const float4* priors_cxcywh, float4* boxes_xyxy,
                                  long long num_rows, int num_priors, float center_scale, float size_scale,
                                  float max_log_size, float first_edge, float last_edge) {
  const long long r = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= num_rows) return;
  const float4 offset = loc[r], prior = priors_cxcywh[r % num_priors];
  const float cx = prior.x + __fmul_rn(offset.x * center_scale, prior.z);
  const float cy = prior.y + __fmul_rn(offset.y * center_scale, prior.w);
  float log_width = offset.z * size_scale, log_height = offset.w * size_scale;
  if (log_width > max_log_size) log_width = max_log_size;
  if (log_height > max_log_size) log_height = max_log_size;
  const float half_width = prior.z * float(exp(double(log_width))) / 2;  // by double it is rounded rightly
  const float half_height = prior.w * float(exp(double(log_height))) / 2;
  boxes_xyxy[r] =
      make_float4(cut(cx - half_width, first_edge, last_edge), cut(cy - half_height, first_edge, last_edge),
                  cut(cx + half_width, first_edge, last_edge), cut(cy + half_height, first_edge, last_edge));
}

__device__ double area(float4 box) { return __dmul_rn(double(box.z) - box.x, double(box.w) - box.y); }

// As minissd.nms.iou_of_pair, also where a number is NaN.
__device__ double iou(float4 a, float4 b) {
  const double width = double(b.z < a.z ? b.z : a.z) - (b.x > a.x ? b.x : a.x);
  const double height = double(b.w < a.w ? b.w : a.w) - (b.y > a.y ? b.y : a.y);
  if (width <= 0 || height <= 0) return 0;
  const double intersection = __dmul_rn(width, height);
  return intersection / (area(a) + area(b) - intersection);
}

// The boxes of one class of one image that survive: threshold, best `top_k`, suppression.
//
//   scores      (N, C - 1, P)
//   boxes_xyxy  (N, P, 4)
//   kept        (N, C - 1, most), keys of the survivors, best first
//   num_kept    (N, C - 1)
//
// Block (c, n) has row c of image n. Its best candidates are brought to shared memory and sorted: the place
// of each is the number of better ones. Then box after box, best first, suppresses: all threads compare it
// with those behind it. A barrier follows, so nobody asks whether a box is left that somebody still judges.
extern "C" __global__ void suppress(const float* scores, const float4* boxes_xyxy, Key* kept, int* num_kept,
                                    int num_priors, float score_threshold, double iou_threshold, int top_k,
                                    int most) {
  __shared__ Key unsorted[ROOM], keys[ROOM];
  __shared__ float4 boxes[ROOM];
  __shared__ bool is_left[ROOM];
  __shared__ int count;
  const long long row = (long long)blockIdx.y * gridDim.x + blockIdx.x;
  const float* score = scores + row * num_priors;
  auto key_at = [=](long long prior) {
    return score[prior] > score_threshold ? key_of(score[prior], unsigned(prior)) : NO_KEY;
  };
  const Key bound = bound_of_best(key_at, num_priors, top_k);
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  for (int prior = threadIdx.x; prior < num_priors; prior += blockDim.x) {
    const Key key = key_at(prior);
    if (key < bound) unsorted[atomicAdd(&count, 1)] = key;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    int rank = 0;
    for (int other = 0; other < count; other++) rank += unsorted[other] < unsorted[i];
    keys[rank] = unsorted[i];
    boxes[rank] = boxes_xyxy[(long long)blockIdx.y * num_priors + place_of(unsorted[i])];
    is_left[rank] = true;
  }
  __syncthreads();
  int survivors = 0;
  for (int best = 0; best < count && survivors < most; best++) {
    if (!is_left[best]) continue;
    if (threadIdx.x == 0) kept[row * most + survivors] = keys[best];
    survivors++;
    for (int other = best + 1 + threadIdx.x; other < count; other += blockDim.x)
      if (is_left[other] && iou(boxes[best], boxes[other]) > iou_threshold) is_left[other] = false;
    __syncthreads();
  }
  if (threadIdx.x == 0) num_kept[row] = survivors;
}

// How many of the sorted keys are smaller than this one.
__device__ int number_below(const Key* sorted, int count, Key key) {
  int first = 0;
  while (count > 0) {
    const int half = count / 2;
    const bool below = sorted[first + half] < key;
    first += below ? half + 1 : 0;
    count = below ? count - half - 1 : half;
  }
  return first;
}

// The detections of every image, best first: the survivors of all its classes in one row.
//
//   kept        (N, C - 1, most)
//   num_kept    (N, C - 1)
//   scores      (N, C - 1, P)
//   boxes_xyxy  (N, P, 4)
//   found       (N, keep_top_k)
//
// A thread has one survivor, number `number` of row `own` of image blockIdx.z. Its place in the result is the
// number of all that come before it: in its own class, and in each other class those of higher score; those
// of equal score too if the class comes before.
extern "C" __global__ void merge(const Key* kept, const int* num_kept, const float* scores,
                                 const float4* boxes_xyxy, Detection* found, int num_priors, int most,
                                 int keep_top_k) {
  const int number = blockIdx.x * blockDim.x + threadIdx.x, own = blockIdx.y, num_rows = gridDim.y;
  const long long first_row = (long long)blockIdx.z * num_rows, row = first_row + own;
  if (number >= num_kept[row]) return;
  const Key key = kept[row * most + number];
  int rank = number;
  for (int c = 0; c < num_rows; c++) {
    const Key limit = ((key >> 32) + (c < own)) << 32;
    if (c != own) rank += number_below(kept + (first_row + c) * most, num_kept[first_row + c], limit);
  }
  if (rank >= keep_top_k) return;
  const int prior = place_of(key);
  const float4 box = boxes_xyxy[(long long)blockIdx.z * num_priors + prior];
  found[(long long)blockIdx.z * keep_top_k + rank] = {box, scores[row * num_priors + prior], own + 1, prior};
}
