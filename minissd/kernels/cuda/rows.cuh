// Logits by the row, a row for each thread.

// The row of this thread: its prior's logits, in shared memory; all threads of the block call this together.
// Rows lie one behind the other, so neighbouring threads that read their own rows would touch far-off
// places. The block fetches all its rows number by number instead, which is one piece of memory.
__device__ const float* row_of_thread(const float* logits, long long num_rows, int num_classes) {
  extern __shared__ float rows[];  // blockDim.x rows
  const long long first = (long long)blockIdx.x * blockDim.x;
  const long long here = num_rows - first < blockDim.x ? num_rows - first : blockDim.x;
  for (int i = threadIdx.x; i < here * num_classes; i += blockDim.x)
    rows[i] = logits[first * num_classes + i];
  __syncthreads();
  return rows + threadIdx.x * num_classes;
}

// The largest logit of a row; where one is NaN, its softmax is NaN whatever comes out here.
__device__ float largest(const float* row, int num_classes) {
  float top = row[0];
  for (int c = 1; c < num_classes; c++) top = top > row[c] ? top : row[c];
  return top;
}
