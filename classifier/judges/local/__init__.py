"""The embedded judge: linear heads over words and cue phrases in numpy, and a small encoder through onnxruntime."""
