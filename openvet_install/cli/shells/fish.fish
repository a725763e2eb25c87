# pip, pip3, uv, uvx and `python -m pip` behind openvet-install, as functions: an activated environment does not hide
# them, completion goes on, scripts are not concerned. Undo: openvet_undo

# Whether the gate holds here: 0 yes, 1 step aside.
function __openvet_holds
    for place in @EXCLUDE@
        string match -q -- "$place/*" "$PWD/"; and return 1
    end
    @STRICT@; and return 0
    for place in @POLICIES@
        test -e $place; and return 0
    end
    set -l folder $PWD
    while true
        if test -e $folder/openvet.toml; or test -e $folder/openvet-install.toml
            return 0
        end
        if test -e $folder/.git; or test "$folder" = "$HOME"; or test -z "$folder"
            return 1
        end
        set folder (string replace -r '/[^/]*$' '' -- $folder)
    end
end

function __openvet_tool
    set -l tool $argv[1]
    set -l wrapper $argv[2]
    set -e argv[1..2]
    if not set -q argv[1]; or contains -- $argv[1] --version -V; or not __openvet_holds
        command $tool $argv
    else
        $wrapper $argv
    end
end

function __openvet_python
    set -l python $argv[1]
    set -e argv[1]
    set -l module
    set -l value
    set -l count 0
    for one in $argv
        set count (math $count + 1)
        if test -n "$value"
            set value
        else if contains -- $one -W -X
            set value next
        else if string match -qr -- '^-[WX].' $one
            continue
        else if string match -qr -- '^-[bBdEiIOPqsSuvx]*m$' $one
            set module next
        else if set -l found (string match -r -- '^-[bBdEiIOPqsSuvx]*m(pip|uv)$' $one)
            set module $found[2]
            break
        else if test "$module" = next
            contains -- $one pip uv; and set module $one; or set module
            break
        else if not string match -qr -- '^-[bBdEiIOPqsSuvx]+$' $one
            break
        end
    end
    if contains -- "$module" pip uv; and __openvet_holds
        set -e argv[1..$count]
        if test "$module" = uv
            @UV@ $argv
        else
            @PIP@ --python (type -P $python) $argv
        end
        return
    end
    command $python $argv
end

function pip --wraps pip; __openvet_tool pip @PIP@ $argv; end
function pip3 --wraps pip3; __openvet_tool pip3 @PIP@ $argv; end
function uv --wraps uv; __openvet_tool uv @UV@ $argv; end
function uvx --wraps uvx
    if not set -q argv[1]; or contains -- $argv[1] --version -V; or not __openvet_holds
        command uvx $argv
    else
        @UV@ tool run $argv
    end
end
function python --wraps python; __openvet_python python $argv; end
function python3 --wraps python3; __openvet_python python3 $argv; end
function openvet_undo
    functions -e pip pip3 uv uvx python python3 __openvet_holds __openvet_tool __openvet_python openvet_undo
end
