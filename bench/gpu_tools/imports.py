"""How long the imports of a training script take, for bench/gpu: one line of JSON. `--stand-in`: as many of Python's own."""
import json
import sys
import time

began = time.perf_counter()
if "--stand-in" in sys.argv:
    import asyncio
    import decimal
    import email.mime.multipart
    import http.server
    import sqlite3
    import unittest.mock
    import xml.etree.ElementTree
else:
    import torch
print(json.dumps({"import_s": round(time.perf_counter() - began, 3)}))
