"""What is not routed by model: files, batches, stored answers, and whatever else an SDK may call.
Such requests are passed on as they are, bodies of any size streamed both ways, on aiohttp. Which
paths those are and who takes them is decided in `core`; nothing here looks into a body but for ids.
"""
