"""In the cluster: the controller and the agents. They only chain what the other packages do."""
