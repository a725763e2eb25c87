"""The gate: one run from argv to `Run`, and the judging of locks. Prints nothing.

- `model`: `Run` and its parts, the only thing reports see;
- `setting`: which policies and modes hold; `forgiven`: what exemptions and the baseline did;
- `state`, `stores`, `places`, `once`: this machine's folders, what several runs share, values computed once per key;
  `rooms`: folders of one run alone; `several`: runs of one command, told as one;
- `heads`, `knowledge`: what the logs say, at the pinned and the newest head; `update`, `brought`: moving the pins;
  `bundles`, `bundling`: what stands in for logs out of reach, and how it is made;
- `keeper`: the gateway's questions answered; `ledger`: what it notes; `hosts`: who may be asked; `foresight`: what
  the tool will ask for next, got early;
- `deciding`, `cases`: each file decided; `documents`: its provenance, `carrying`, `originals`: files of the same
  content, got where a policy asks; `asking`, `logins`: how all of that is asked for;
- `remembered`, `sealed`, `seals`: what archives hold and what comparing them came to, kept for later runs; `listed`:
  index pages, kept for some minutes;
- `houses`, `local`, `named`, `projects`, `locked`, `remote`: inputs that no page lists: archives and folders of this
  machine, files by URL, entries of `uv.lock`, requirement files by URL; `shelved`: a lock that names folders of files;
- `keepers`, `resolving`: what a command that writes a lock may see; `relocked`, `compiled`: what it wrote, judged;
  `project`: its steps, and the files put back;
- `opening`: what every run opens; `session`: one gated run; `before`: what it judges and makes first; `child`: what
  its tool gets; `still`: `uv sync` with nothing to do; `again`, `standing`, `resumed`: what that leaves noted, for the
  same command while nothing has changed; `after`, `outputs`: what lies on disk now against what was released;
  `rollback`: what does not belong goes; `journal`, `recovery`: a killed run is finished by the next one;
  `unfinished`: the files of a project that it left;
- `wanted`, `formats`, `outcome`: who asked for what, of which kinds of files, what was in the way, what it came to;
- `judge`, `hashed`: locks, releases and hashed requirements without installing; `drift`: an environment later on;
- `adopt`: what is silent and what to do about it; `browse`, `sbom`: what an index lists and a stored file says;
  `askers`: who asks for a package here.
"""
