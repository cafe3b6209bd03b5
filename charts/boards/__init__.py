"""What the dashboards show: a module each with its rows of panels. `charts/dashboards.py` makes
Grafana's JSON of them.
"""
