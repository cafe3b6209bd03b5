"""A request under way: `engine` takes it in, `request` obeys the dispatch, `attempt` makes one try,
`client` knows one provider.
"""
