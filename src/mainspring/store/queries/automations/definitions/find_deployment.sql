select number from deployments where fingerprint = ?
