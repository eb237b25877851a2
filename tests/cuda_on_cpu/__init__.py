"""CUDA and CuPy played by the CPU, so that the GPU's code can be tested where there is no GPU."""
