"""What only a CUDA device needs; nothing here is imported before somebody asks for one. Floor 0."""
