"""A client of OpenVet logs, protocol 0.6.

It knows neither pip nor this project's own settings, and believes nothing that it has not
verified. Modules, in the order of their arrows:

- `subject`: names of files; `language`, `verdict`: policies over claims (all three pure);
- `wire`, `sshsig`, `tree`, `chain`: messages, signatures, search trees, the rules of commits (pure);
- `store`: content-addressed bytes; `log`: one log over HTTP; `pins`: the two lock files.
"""
