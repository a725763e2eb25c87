# pip, pip3, uv, uvx and `python -m pip` behind openvet-install, as functions: an activated environment does not hide
# them. Undo: openvet_undo

# Whether the gate holds here.
function global:__openvet_holds {
    $here = $PWD.ProviderPath
    foreach ($place in @(@EXCLUDE@)) {
        if (($here + '/').StartsWith($place + '/')) { return $false }
    }
    if (@STRICT@) { return $true }
    foreach ($place in @(@POLICIES@)) {
        if (Test-Path -LiteralPath $place) { return $true }
    }
    $folder = $here
    while ($folder) {
        foreach ($name in 'openvet.toml', 'openvet-install.toml') {
            if (Test-Path -LiteralPath (Join-Path $folder $name)) { return $true }
        }
        if ((Test-Path -LiteralPath (Join-Path $folder '.git')) -or ($folder -eq $HOME)) { return $false }
        $folder = Split-Path -Parent $folder
    }
    return $false
}

function global:__openvet_command([string] $name) {
    (Get-Command -CommandType Application -Name $name -ErrorAction Stop | Select-Object -First 1).Source
}

function global:__openvet_tool([string] $tool, [string[]] $wrapper, [object[]] $rest) {
    if ($rest.Count -eq 0 -or $rest[0] -cin '--version', '-V' -or -not (__openvet_holds)) {
        & (__openvet_command $tool) @rest
    } else {
        $program, $words = $wrapper
        & $program @words @rest
    }
}

function global:__openvet_python([string] $python, [object[]] $rest) {
    $module = ''
    $value = $false
    $count = 0
    foreach ($one in $rest) {
        $count++
        if ($value) { $value = $false; continue }
        if ($one -cmatch '^-[WX]') { $value = $one.Length -eq 2; continue }
        if ($module -eq 'next') {
            $module = if ($one -cin 'pip', 'uv') { $one } else { '' }
            break
        }
        if ($one -cmatch '^-[bBdEiIOPqsSuvx]*m(pip|uv)$') { $module = $Matches[1]; break }
        if ($one -cmatch '^-[bBdEiIOPqsSuvx]*m$') { $module = 'next' }
        elseif ($one -cnotmatch '^-[bBdEiIOPqsSuvx]+$') { break }
    }
    $path = __openvet_command $python
    if ($module -cin 'pip', 'uv' -and (__openvet_holds)) {
        $rest = @($rest | Select-Object -Skip $count)
        if ($module -eq 'uv') { & @UV@ @rest } else { & @PIP@ --python $path @rest }
    } else {
        & $path @rest
    }
}

function global:pip { __openvet_tool 'pip' @(@PIP@) $args }
function global:pip3 { __openvet_tool 'pip3' @(@PIP@) $args }
function global:uv { __openvet_tool 'uv' @(@UV@) $args }
function global:uvx { __openvet_tool 'uvx' @(@UV@, 'tool', 'run') $args }
function global:python { __openvet_python 'python' $args }
function global:python3 { __openvet_python 'python3' $args }
function global:openvet_undo {
    foreach ($name in 'pip', 'pip3', 'uv', 'uvx', 'python', 'python3', '__openvet_holds', '__openvet_command',
        '__openvet_tool', '__openvet_python', 'openvet_undo') {
        Remove-Item -Path "function:global:$name" -ErrorAction SilentlyContinue
    }
}
