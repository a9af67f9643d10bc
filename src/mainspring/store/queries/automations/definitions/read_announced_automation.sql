select deploy, retired_at, fingerprint, version from automations where name = ?
