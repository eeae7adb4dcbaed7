"""PLACEHOLDER until scopes are written."""


def name_plain_variable(variable, name):
    return name
