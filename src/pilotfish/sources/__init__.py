"""Where rules come from: files and ConfigMaps. `store` compiles what they offer and keeps the last
good rules.
"""
