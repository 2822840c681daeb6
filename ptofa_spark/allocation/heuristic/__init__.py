"""The paper's heuristic, HA: alphas, the loop of phases, the search for the events between them, the literal sweep."""
