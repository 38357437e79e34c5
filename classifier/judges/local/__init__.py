"""The embedded judge: linear heads over words and cue phrases, scored with numpy alone."""
