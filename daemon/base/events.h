/* MESSAGE_IDs of the events that operators act on; the journal catalogue explains each. */
#pragma once

#define EVENT_STARTED "23e0c29eafbd415382e89edb18f27401"
#define EVENT_AUTHORIZED "23e0c29eafbd415382e89edb18f27402"
#define EVENT_REFRESHED "23e0c29eafbd415382e89edb18f27403"
#define EVENT_REFRESH_FAILED "23e0c29eafbd415382e89edb18f27404"
#define EVENT_RECOVERED "23e0c29eafbd415382e89edb18f27405"
#define EVENT_AUTHORIZATION_REQUIRED "23e0c29eafbd415382e89edb18f27406"
#define EVENT_OUTCOME_UNKNOWN "23e0c29eafbd415382e89edb18f27407"
#define EVENT_FOREIGN_REFRESHER "23e0c29eafbd415382e89edb18f27408"
#define EVENT_CLIENT_REFUSED "23e0c29eafbd415382e89edb18f27409"
#define EVENT_SAVE_FAILED "23e0c29eafbd415382e89edb18f2740a"
#define EVENT_SAVED_AGAIN "23e0c29eafbd415382e89edb18f2740b"
#define EVENT_VERSION "23e0c29eafbd415382e89edb18f2740c"
#define EVENT_FORGOTTEN "23e0c29eafbd415382e89edb18f2740d"
#define EVENT_ACCESS_DENIED "23e0c29eafbd415382e89edb18f2740e"
#define EVENT_CONFIGURATION "23e0c29eafbd415382e89edb18f2740f"
#define EVENT_KEY_MADE "23e0c29eafbd415382e89edb18f27410"
#define EVENT_ACCESS_GRANTED "23e0c29eafbd415382e89edb18f27411"
#define EVENT_ACCOUNT_MISMATCH "23e0c29eafbd415382e89edb18f27412"
/* A webhook's signature does not hold, or is too old: somebody forges or repeats notices, or the client secret or the clock is wrong. */
#define EVENT_WEBHOOK_REFUSED "23e0c29eafbd415382e89edb18f27413"
/* A unit with LoadCredential= from the credentials socket started with an empty file: not allowed, no such credential, or no token. */
#define EVENT_LOAD_EMPTY "23e0c29eafbd415382e89edb18f27414"
#define EVENT_EXPORTED "23e0c29eafbd415382e89edb18f27418"
#define EVENT_RESTORED "23e0c29eafbd415382e89edb18f27419"
#define EVENT_HOOK_FAILED "23e0c29eafbd415382e89edb18f27420"
#define EVENT_HOOK_WORKS "23e0c29eafbd415382e89edb18f27421"
