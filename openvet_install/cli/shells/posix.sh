# pip, pip3, uv, uvx and `python -m pip` behind openvet-install, as functions: an activated environment does not hide
# them, completion goes on, scripts are not concerned. Undo: openvet_undo
unalias pip pip3 uv uvx python python3 2>/dev/null || true

# Whether the gate holds here: 0 yes, 1 step aside.
__openvet_holds() {
  local folder place
  for place in @EXCLUDE@; do
    case "$PWD/" in "$place"/*) return 1 ;; esac
  done
  @STRICT@ && return 0
  for place in @POLICIES@; do
    [ -e "$place" ] && return 0
  done
  folder=$PWD
  while :; do
    if [ -e "$folder/openvet.toml" ] || [ -e "$folder/openvet-install.toml" ]; then return 0; fi
    if [ -e "$folder/.git" ] || [ "$folder" = "$HOME" ] || [ -z "$folder" ]; then return 1; fi
    folder=${folder%/*}
  done
}

# $1: the tool, $2: our wrapper, then the arguments
__openvet_tool() {
  local tool=$1 wrapper=$2
  shift 2
  case "${1-}" in
    "" | --version | -V) command "$tool" "$@" ;;
    *) if __openvet_holds; then "$wrapper" "$@"; else command "$tool" "$@"; fi ;;
  esac
}

# $1: the Python, then its arguments
__openvet_python() {
  local python=$1 module="" value="" count=0 one program
  shift
  for one in "$@"; do
    count=$((count + 1))
    if [ -n "$value" ]; then value=""; continue; fi
    case "$one" in
      -[WX]) value=next ;;
      -[WX]?*) ;;
      -m) module=next ;;
      -[bBdEiIOPqsSuvx]*m) module=next ;;
      -mpip | -muv | -[bBdEiIOPqsSuvx]*mpip | -[bBdEiIOPqsSuvx]*muv) module=${one##*m} && [ "$module" = uv ] || module=pip ;;
      pip | uv) [ "$module" = next ] && module=$one || module="" ; [ -n "$module" ] || break ;;
      -[bBdEiIOPqsSuvx]*) ;;
      *) module=""; break ;;
    esac
    case "$module" in pip | uv) break ;; esac
  done
  case "$module" in
    pip | uv)
      if __openvet_holds; then
        program=$(@WHICH@ "$python")
        shift "$count"
        if [ "$module" = uv ]; then @UV@ "$@"; else @PIP@ --python "$program" "$@"; fi
        return
      fi
      ;;
  esac
  command "$python" "$@"
}

pip() { __openvet_tool pip @PIP@ "$@"; }
pip3() { __openvet_tool pip3 @PIP@ "$@"; }
uv() { __openvet_tool uv @UV@ "$@"; }
uvx() {
  case "${1-}" in
    "" | --version | -V) command uvx "$@" ;;
    *) if __openvet_holds; then @UV@ tool run "$@"; else command uvx "$@"; fi ;;
  esac
}
python() { __openvet_python python "$@"; }
python3() { __openvet_python python3 "$@"; }
openvet_undo() {
  unset -f pip pip3 uv uvx python python3 __openvet_holds __openvet_tool __openvet_python openvet_undo
}
