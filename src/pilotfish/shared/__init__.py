"""State that outlives a process or is common to several: limits and cooldowns in Redis, statistics
in STATE_DIR.
"""
