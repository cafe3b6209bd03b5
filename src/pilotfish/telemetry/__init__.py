"""What is told of requests that are over: metrics, access log, traces. Reads plain records and
holds no object of a request.
"""
