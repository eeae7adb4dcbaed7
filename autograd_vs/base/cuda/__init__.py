"""What is done on a GPU otherwise than by calling CuPy. Floor 0; with `backend.py` the only place that names CuPy."""
