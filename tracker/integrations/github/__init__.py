"""The Deployments API of GitHub, for clients that speak it."""
