/* What cppcheck must know of libraries whose headers it does not read: their lists and loops, and what does not return. */
#define HASH_ITER(hh, head, element, next)                                                                   \
        for ((element) = (head), (next) = (element) ? (element)->hh.next : NULL; (element);                  \
             (element) = (next), (next) = (element) ? (element)->hh.next : NULL)
#define LIST_HEAD(name, type)                                                                                \
        struct name {                                                                                        \
                struct type *lh_first;                                                                       \
        }
#define LIST_ENTRY(type)                                                                                     \
        struct {                                                                                             \
                struct type *le_next, **le_prev;                                                             \
        }
#define LIST_FOREACH(element, head, link)                                                                    \
        for ((element) = (head)->lh_first; (element); (element) = (element)->link.le_next)
#define STAILQ_HEAD(name, type)                                                                              \
        struct name {                                                                                        \
                struct type *stqh_first, **stqh_last;                                                        \
        }
#define STAILQ_ENTRY(type)                                                                                   \
        struct {                                                                                             \
                struct type *stqe_next;                                                                      \
        }
#define STAILQ_FOREACH(element, head, link)                                                                  \
        for ((element) = (head)->stqh_first; (element); (element) = (element)->link.stqe_next)
#define TAILQ_HEAD(name, type)                                                                               \
        struct name {                                                                                        \
                struct type *tqh_first, **tqh_last;                                                          \
        }
#define TAILQ_ENTRY(type)                                                                                    \
        struct {                                                                                             \
                struct type *tqe_next, **tqe_prev;                                                           \
        }
#define TAILQ_FOREACH(element, head, link)                                                                   \
        for ((element) = (head)->tqh_first; (element); (element) = (element)->link.tqe_next)
#define json_array_foreach(array, index, value)                                                              \
        for ((index) = 0; ((value) = json_array_get((array), (index))); (index)++)
#define json_object_foreach(object, key, value)                                                              \
        for ((key) = ""; ((value) = json_object_next((object), &(key)));)
#define json_object_foreach_safe(object, next, key, value)                                                   \
        for ((key) = ""; ((value) = json_object_next((object), &(key), &(next)));)
#define skip() abort()
