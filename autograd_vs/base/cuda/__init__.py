"""What is CUDA's: graphs of calls. Imported where arrays of CuPy are met, never before. Floor 0."""
