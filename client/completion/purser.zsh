#compdef purser
# Completion of purser(1) for zsh. Commands and options are those that --help tells, names those that the daemon tells, so that
# nothing here knows a command but exec, behind whose -- another command begins.

# _purser_names COMMAND MEMBER: what the command lists. Without a socket purser would wait for a daemon that comes back.
_purser_names() {
        [[ -S $socket ]] || return 1
        local -a names
        names=(${(f)"$($purser --socket $socket $1 --json 2>/dev/null </dev/null |
                grep -Eo "$2\"[A-Za-z0-9][A-Za-z0-9._-]*\"" | sed 's/"$//; s/.*"//' | sort -u)"})
        (($#names)) && compadd -- $names
}

# _purser_kind PLACE: what belongs there, by the name that the help gives it
_purser_kind() {
        case $1 in
        NAME) _purser_names list '[{]"name":' ;;
        # Administrators are told all of them, others those of their credentials.
        CLIENT) _purser_names clients '[{]"name":' || _purser_names list '"client":' ;;
        PATH) _files ;;
        *) return 1 ;;
        esac
}

_purser() {
        local purser=${(Q)words[1]/#\~/$HOME} socket=${PURSER_SOCKET-} command= help= value= word
        local user=${XDG_RUNTIME_DIR-}/purser/purser.sock
        integer i n=0
        local -a found

        [[ -n $socket ]] || { [[ -S $user ]] && socket=$user } || socket=/run/purser/purser.sock
        for ((i = 2; i < CURRENT; i++)); do
                word=${(Q)words[i]}
                case $word in
                --)
                        shift $i words
                        ((CURRENT -= i))
                        _normal
                        return
                        ;;
                --socket)
                        value=PATH
                        ((++i))
                        socket=${(Q)words[i]}
                        ;;
                --*)
                        value=$(sed -n "s/^  $word \([A-Z]*\) .*/\1/p" <<<$help)
                        [[ -z $value ]] || ((++i))
                        ;;
                *)
                        value=
                        if [[ -z $help ]]; then
                                command=${command:+$command }$word
                                help=$($purser ${=command} --help 2>/dev/null </dev/null)
                        else
                                ((++n))
                        fi
                        ;;
                esac
        done

        if ((i > CURRENT)); then
                _purser_kind $value
        elif [[ -z $help ]]; then
                found=(${(f)"$($purser --help 2>/dev/null </dev/null |
                        sed -n "s/^  ${command:+$command }\([a-z][a-z-]*\) .*/\1/p")"})
                [[ -n $command ]] || found+=(--socket --help --version)
                compadd -- $found
        elif [[ $PREFIX = -* ]]; then
                found=(${(f)"$(sed -n 's/^  \(--[a-z-]*\) .*/\1/p' <<<$help)"})
                compadd -- $found
        elif ((n == 0)); then
                word=${help#usage: purser $command }
                word=${word%%[^A-Z\[]*}
                _purser_kind ${word#\[}
        elif [[ $command = exec ]]; then
                compadd -- --
        fi
}

_purser "$@"
