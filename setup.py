"""The packages of a wheel: all below `catvae/`, and what a clone keeps beside it."""

from setuptools import find_namespace_packages, setup

# v7 holds a painter alone, over the weights of v6; the other variants stay in the repository and on the Hub
BESIDE = ("checkpoints/v6", "checkpoints/v7", "examples")
named = {"catvae." + folder.replace("/", "."): folder for folder in BESIDE}
found = find_namespace_packages(include=["catvae*"], exclude=["*.__pycache__"])
setup(packages=[*found, *named], package_dir=named)
