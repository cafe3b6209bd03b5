"""What outlives one process or is known to several: limits and cooldowns in Redis, statistics in
STATE_DIR.
"""
