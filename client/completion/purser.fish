# Completion of purser(1) for fish. Commands and options are those that --help tells, names those that the daemon tells, so that
# nothing here knows a command but exec, behind whose -- another command begins.

# __purser_names PROGRAM SOCKET COMMAND MEMBER: what the command lists. Without a socket purser would wait for a daemon that comes back.
function __purser_names
    test -S "$argv[2]"; or return
    $argv[1] --socket $argv[2] $argv[3] --json 2>/dev/null </dev/null |
        string match -ar $argv[4]'"[A-Za-z0-9][A-Za-z0-9._-]*"' | string replace -r '"$' '' | string replace -r '.*"' '' | sort -u
end

# __purser_kind PROGRAM SOCKET PLACE: what belongs there, by the name that the help gives it
function __purser_kind
    switch "$argv[3]"
        case NAME
            __purser_names $argv[1] $argv[2] list '\{"name":'
        case CLIENT
            # Administrators are told all of them, others those of their credentials.
            set -l names (__purser_names $argv[1] $argv[2] clients '\{"name":')
            test -n "$names"; or set names (__purser_names $argv[1] $argv[2] list '"client":')
            printf '%s\n' $names
        case PATH
            __fish_complete_path (commandline -ct)
    end
end

function __purser
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l purser (string replace -r '^~' $HOME -- $words[1])
    set -l socket /run/purser/purser.sock
    set -l command
    set -l help
    set -l value
    set -l n 0
    if test -n "$PURSER_SOCKET"
        set socket $PURSER_SOCKET
    else if test -S "$XDG_RUNTIME_DIR/purser/purser.sock"
        set socket $XDG_RUNTIME_DIR/purser/purser.sock
    end

    set -l i 2
    while test $i -le (count $words)
        set -l word $words[$i]
        switch $word
            case --
                __fish_complete_subcommand --commandline $words[(math $i + 1)..] $current
                return
            case --socket
                set value PATH
                set i (math $i + 1)
                test $i -le (count $words); and set socket $words[$i]
            case '--*'
                set value (string match -r -g -- "^  $word ([A-Z]+) " $help)
                test -n "$value"; and set i (math $i + 1)
            case '*'
                set value
                if test -z "$help"
                    set -a command $word
                    set help ($purser $command --help 2>/dev/null </dev/null)
                else
                    set n (math $n + 1)
                end
        end
        set i (math $i + 1)
    end

    if test $i -gt (math (count $words) + 1)
        __purser_kind $purser $socket $value
    else if test -z "$help"
        set -l before (string join ' ' -- $command '')
        test -n "$command"; or set before ''
        $purser --help 2>/dev/null </dev/null |
            string replace -rf "^  $before([a-z][a-z-]*) .*?([A-Z][a-z].*)" '$1\t$2'
        test -n "$command"; or printf '%s\n' --socket --help --version
    else if string match -q -- '-*' $current
        string replace -rf -- '^  (--[a-z-]+) ([A-Z]+)? *(.*)' '$1\t$3' $help
        test "$command" = exec; and printf '%s\n' --
    else if test $n -eq 0
        __purser_kind $purser $socket (string match -r -g -- "^usage: purser $command \[?([A-Z]+)" "$help[1]")
    end
end

complete -c purser -f -a '(__purser)'
