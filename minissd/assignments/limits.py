"""What a submission may use, unless the marker says otherwise."""

TIME_LIMIT = 10.0  # seconds for one call
MEMORY_LIMIT = 2 << 30  # bytes for its process
