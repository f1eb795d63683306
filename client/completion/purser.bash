# shellcheck shell=bash disable=SC2207
# Completion of purser(1) for bash. Commands and options are those that --help tells, names those that the daemon tells, so that
# nothing here knows a command but exec, behind whose -- another command begins.

# _purser_names COMMAND MEMBER: what the command lists. Without a socket purser would wait for a daemon that comes back.
_purser_names()
{
        [ -S "$socket" ] || return
        "$purser" --socket "$socket" "$1" --json 2>/dev/null </dev/null |
                grep -Eo "$2\"[A-Za-z0-9][A-Za-z0-9._-]*\"" | sed 's/"$//; s/.*"//' | sort -u | grep .
}

# _purser_kind PLACE: what belongs there, by the name that the help gives it
_purser_kind()
{
        case $1 in
        NAME) COMPREPLY=($(compgen -W "$(_purser_names list '[{]"name":')" -- "$cur")) ;;
        # Administrators are told all of them, others those of their credentials.
        CLIENT) COMPREPLY=($(compgen -W "$(_purser_names clients '[{]"name":' || _purser_names list '"client":')" -- "$cur")) ;;
        PATH) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        esac
}

# _purser_value OPTION: what its value is called; nothing where it has none
_purser_value()
{
        sed -n "s/^  $1 \([A-Z]*\) .*/\1/p" <<<"$help"
}

_purser()
{
        local cur=${COMP_WORDS[COMP_CWORD]} purser=${COMP_WORDS[0]/#\~/$HOME} socket=${PURSER_SOCKET-}
        local command='' help='' value='' word i n=0
        local user=${XDG_RUNTIME_DIR-}/purser/purser.sock

        COMPREPLY=()
        [ -n "$socket" ] || { [ -S "$user" ] && socket=$user; } || socket=/run/purser/purser.sock
        for ((i = 1; i < COMP_CWORD; i++)); do
                word=${COMP_WORDS[i]}
                case $word in
                --)
                        if [ "$command" = exec ] && [ $((i + 1)) = "$COMP_CWORD" ]; then
                                mapfile -t COMPREPLY < <(compgen -c -- "$cur")
                        else
                                _purser_kind PATH
                        fi
                        return
                        ;;
                --socket)
                        value=PATH
                        i=$((i + 1))
                        socket=${COMP_WORDS[i]}
                        ;;
                --*)
                        value=$(_purser_value "$word")
                        [ -z "$value" ] || i=$((i + 1))
                        ;;
                *)
                        value=
                        if [ -z "$help" ]; then
                                command=${command:+$command }$word
                                help=$("$purser" $command --help 2>/dev/null </dev/null)
                        else
                                n=$((n + 1))
                        fi
                        ;;
                esac
        done

        if [ "$i" -gt "$COMP_CWORD" ]; then
                _purser_kind "$value"
        elif [ -z "$help" ]; then
                word=$("$purser" --help 2>/dev/null </dev/null | sed -n "s/^  ${command:+$command }\([a-z][a-z-]*\) .*/\1/p")
                [ -n "$command" ] || word="$word --socket --help --version"
                COMPREPLY=($(compgen -W "$word" -- "$cur"))
        elif [[ $cur = -* ]]; then
                COMPREPLY=($(compgen -W "$(sed -n 's/^  \(--[a-z-]*\) .*/\1/p' <<<"$help")" -- "$cur"))
        elif [ "$n" = 0 ]; then
                word=${help#usage: purser "$command" }
                word=${word%%[!A-Z\[]*}
                _purser_kind "${word#[}"
        elif [ "$command" = exec ]; then
                COMPREPLY=($(compgen -W -- -- "$cur"))
        fi
}

complete -F _purser purser
