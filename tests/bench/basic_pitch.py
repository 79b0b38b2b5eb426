#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""basic_pitch.py SECONDS: CPU seconds that Basic Pitch's network takes for SECONDS of sound under ONNX Runtime, on one
thread; its resampling and note finding come on top. Exit code 3: not installed."""
import importlib.util
import os
import sys
import time

try:
    import numpy
    import onnxruntime
except ImportError:
    sys.exit(3)
package = importlib.util.find_spec("basic_pitch")  # not imported: it would load TensorFlow
if not package:
    sys.exit(3)
model = os.path.join(package.submodule_search_locations[0], "saved_models", "icassp_2022", "nmp.onnx")

RATE, WINDOW, OVERLAP = 22050, 2 * 22050 - 256, 30 * 256  # as in its inference.py
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
window = numpy.random.default_rng(1).normal(0, 0.1, (1, WINDOW, 1)).astype(numpy.float32)
session.run(None, {name: window})
count = -(-int(float(sys.argv[1]) * RATE) // (WINDOW - OVERLAP))
start = time.process_time()
for _ in range(count):
    session.run(None, {name: window})
print(f"{time.process_time() - start:.3f}")
