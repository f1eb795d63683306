/* Reading parameters by table. */
#include "daemon/method/method_arguments.h"

static bool read_one(const json_t *value, const struct argument *argument, void *to)
{
        switch (argument->kind) {
        case ARGUMENT_STRING:
                *(const char **)to = json_string_value(value);
                return !value || json_is_string(value);
        case ARGUMENT_INT:
                *(struct optional_int *)to =
                        (struct optional_int){ value != NULL, json_integer_value(value) };
                return !value || json_is_integer(value);
        case ARGUMENT_BOOL:
                *(bool *)to = json_is_true(value);
                return !value || json_is_boolean(value);
        }
        return false;
}

int arguments_read(const json_t *parameters, const struct argument *arguments, size_t n, void *ret,
                   const char **ret_name)
{
        const char *wrong = NULL;

        for (size_t i = 0; i < n; i++) {
                const json_t *value = json_object_get(parameters, arguments[i].name);

                if (json_is_null(value))
                        value = NULL;
                if ((!read_one(value, &arguments[i], (char *)ret + arguments[i].offset) ||
                     (arguments[i].required && !value)) &&
                    !wrong)
                        wrong = arguments[i].name;
        }

        if (!wrong)
                return 0;
        *ret_name = wrong;
        return ARGUMENTS_E_INVALID;
}
