"""Tests; each runs alone and in any order. Nothing here may be imported by what is tested."""
