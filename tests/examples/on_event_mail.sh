#!/bin/sh
# on_event_mail.sh ADDRESS...: for on_event of purser.yaml(5): mails what happened, by the sendmail that is found first.
#
#     install -m 755 on_event_mail.sh /etc/purser/hooks/
#     on_event: [{command: [/etc/purser/hooks/on_event_mail.sh, ops@example.com]}]
#
# Nothing under purser.service gains rights (NoNewPrivileges=yes), so that a sendmail which enters a spool with rights of its own, as
# Postfix's and Exim's do, cannot work there: install one that speaks SMTP by itself (nullmailer, msmtp-mta).
set -eu
event=$(cat)

member() {
        printf '%s\n' "$event" | jq -r ".$1 // empty"
}

{
        printf 'To: %s' "$1"
        shift
        [ $# = 0 ] || printf ', %s' "$@"
        printf '\nSubject: %s\nAuto-Submitted: auto-generated\n' "$(member subject)"
        printf 'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n'
        member text | fold -s -w 78
        [ "$(member 'also[0]')" = '' ] || printf '\nThe same happened to: %s\n' "$(member 'also | join(" ")')"
        printf '\nThe journal tells more: journalctl --catalog PURSER_CREDENTIAL=%s\n' "$(member credential)"
} | sendmail -i -t
