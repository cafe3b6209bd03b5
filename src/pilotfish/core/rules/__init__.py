"""The language of rules: text in, documents, one compiled snapshot or every problem at once.

What must not live here: where the text comes from (`sources`)."""
