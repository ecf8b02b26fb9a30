"""The mixer without a server: the models as ONNX, and a page that runs them in the visitor's browser."""
