"""Attributes of compositions and structures that models other than ElemNet learn from."""
