// The transforms of Winograd's F(m x m, 3x3) for m = OUTPUT_SIDE, 4 or 6, of one tile in registers:
//
//   v = B^T d B      of the inputs d under the tile,       (m + 2) x (m + 2)
//   u = G g G^T      of the weights g,                     3 x 3 to (m + 2) x (m + 2)
//   y = A^T m A      of the products m,                    (m + 2) x (m + 2) to m x m
//
// and their transposes, for the gradients. The matrices follow from the points where polynomials are evaluated:
// 0, +-sqrt(1/2), +-sqrt(2) and infinity for m = 4; 0, +-1/2, +-1, +-2 and infinity for m = 6. See
// minissd/nn/cuda/winograd_readable.py, where they are computed.

constexpr int INPUT_SIDE = OUTPUT_SIDE + 2, POINTS = INPUT_SIDE * INPUT_SIDE, TAPS = 9;

// result = matrix * square * matrix^T. All loops are unrolled, so that the numbers stay in registers, and what the
// matrix multiplies by 0 is left out.
template <int ROWS, int SIDE>
__device__ __forceinline__ void transform(const float (&matrix)[ROWS][SIDE], const float (&square)[SIDE][SIDE],
                                          float (&result)[ROWS][ROWS]) {
  float half[ROWS][SIDE];
#pragma unroll
  for (int j = 0; j < SIDE; j++)
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      half[i][j] = 0;
#pragma unroll
      for (int k = 0; k < SIDE; k++)
        if (matrix[i][k] != 0) half[i][j] += matrix[i][k] * square[k][j];
    }
#pragma unroll
  for (int i = 0; i < ROWS; i++)
#pragma unroll
    for (int j = 0; j < ROWS; j++) {
      result[i][j] = 0;
#pragma unroll
      for (int k = 0; k < SIDE; k++)
        if (matrix[j][k] != 0) result[i][j] += matrix[j][k] * half[i][k];
    }
}

// result = matrix^T * square * matrix.
template <int ROWS, int SIDE>
__device__ __forceinline__ void transform_back(const float (&matrix)[ROWS][SIDE], const float (&square)[ROWS][ROWS],
                                               float (&result)[SIDE][SIDE]) {
  float half[SIDE][ROWS];
#pragma unroll
  for (int j = 0; j < ROWS; j++)
#pragma unroll
    for (int i = 0; i < SIDE; i++) {
      half[i][j] = 0;
#pragma unroll
      for (int k = 0; k < ROWS; k++)
        if (matrix[k][i] != 0) half[i][j] += matrix[k][i] * square[k][j];
    }
#pragma unroll
  for (int i = 0; i < SIDE; i++)
#pragma unroll
    for (int j = 0; j < SIDE; j++) {
      result[i][j] = 0;
#pragma unroll
      for (int k = 0; k < ROWS; k++)
        if (matrix[k][j] != 0) result[i][j] += matrix[k][j] * half[i][k];
    }
}

// The matrices are macros because local constants are what the compiler folds into the code.

#if OUTPUT_SIDE == 4

#define INPUT_MATRIX /* B^T */                                    \
  {                                                               \
    {1, 0, -2.5f, 0, 1, 0},                                       \
    {0, -1.414213562f, -2, 0.7071067812f, 1, 0},                  \
    {0, 1.414213562f, -2, -0.7071067812f, 1, 0},                  \
    {0, -0.7071067812f, -0.5f, 1.414213562f, 1, 0},               \
    {0, 0.7071067812f, -0.5f, -1.414213562f, 1, 0},               \
    {0, 1, 0, -2.5f, 0, 1}                                        \
  }
#define WEIGHT_MATRIX /* G */                                     \
  {                                                               \
    {1, 0, 0},                                                    \
    {-0.6666666667f, -0.4714045208f, -0.3333333333f},             \
    {-0.6666666667f, 0.4714045208f, -0.3333333333f},              \
    {0.1666666667f, 0.2357022604f, 0.3333333333f},                \
    {0.1666666667f, -0.2357022604f, 0.3333333333f},               \
    {0, 0, 1}                                                     \
  }
#define OUTPUT_MATRIX /* A^T */                                   \
  {                                                               \
    {1, 1, 1, 1, 1, 0},                                           \
    {0, 0.7071067812f, -0.7071067812f, 1.414213562f, -1.414213562f, 0}, \
    {0, 0.5f, 0.5f, 2, 2, 0},                                     \
    {0, 0.3535533906f, -0.3535533906f, 2.828427125f, -2.828427125f, 1}  \
  }

#else

#define INPUT_MATRIX                             \
  {                                              \
    {-1, 0, 5.25f, 0, -5.25f, 0, 1, 0},          \
    {0, 2, 4, -2.5f, -5, 0.5f, 1, 0},            \
    {0, -2, 4, 2.5f, -5, -0.5f, 1, 0},           \
    {0, 1, 1, -4.25f, -4.25f, 1, 1, 0},          \
    {0, -1, 1, 4.25f, -4.25f, -1, 1, 0},         \
    {0, 0.5f, 0.25f, -2.5f, -1.25f, 2, 1, 0},    \
    {0, -0.5f, 0.25f, 2.5f, -1.25f, -2, 1, 0},   \
    {0, -1, 0, 5.25f, 0, -5.25f, 0, 1}           \
  }
#define WEIGHT_MATRIX                                 \
  {                                                   \
    {-1, 0, 0},                                       \
    {0.7111111111f, 0.3555555556f, 0.1777777778f},    \
    {0.7111111111f, -0.3555555556f, 0.1777777778f},   \
    {-0.2222222222f, -0.2222222222f, -0.2222222222f}, \
    {-0.2222222222f, 0.2222222222f, -0.2222222222f},  \
    {0.01111111111f, 0.02222222222f, 0.04444444444f}, \
    {0.01111111111f, -0.02222222222f, 0.04444444444f},\
    {0, 0, 1}                                         \
  }
#define OUTPUT_MATRIX                             \
  {                                               \
    {1, 1, 1, 1, 1, 1, 1, 0},                     \
    {0, 0.5f, -0.5f, 1, -1, 2, -2, 0},            \
    {0, 0.25f, 0.25f, 1, 1, 4, 4, 0},             \
    {0, 0.125f, -0.125f, 1, -1, 8, -8, 0},        \
    {0, 0.0625f, 0.0625f, 1, 1, 16, 16, 0},       \
    {0, 0.03125f, -0.03125f, 1, -1, 32, -32, 1}   \
  }

#endif
