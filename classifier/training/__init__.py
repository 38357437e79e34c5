"""Makes the files of the embedded judge from labelled passages; needs the extra ``train``."""
