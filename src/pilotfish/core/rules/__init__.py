"""The rules language: text -> documents -> one compiled `Snapshot`, or all problems at once.

What must not live here: reading files and ConfigMaps (`sources`).
"""
