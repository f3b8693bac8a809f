"""segjax: semantic segmentation of images and video with JAX and Flax."""

__version__ = "0.1.0"
