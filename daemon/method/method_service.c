/* org.varlink.service: what this daemon is and which interfaces it has. Open to everybody. */
#include "daemon/method/interface.h"
#include "daemon/method/method_internal.h"

#include <string.h>

/* As varlink.org defines it, with the error for callers that are not permitted, which came later. */
const char interface_service[] =
        "# The Varlink Service Interface is provided by every varlink service. It\n"
        "# describes the service and the interfaces it implements.\n"
        "interface org.varlink.service\n"
        "\n"
        "# Get a list of all the interfaces a service provides and information\n"
        "# about the implementation.\n"
        "method GetInfo() -> (\n"
        "  vendor: string,\n"
        "  product: string,\n"
        "  version: string,\n"
        "  url: string,\n"
        "  interfaces: []string\n"
        ")\n"
        "\n"
        "# Get the description of an interface that is implemented by this service.\n"
        "method GetInterfaceDescription(interface: string) -> (description: string)\n"
        "\n"
        "# The requested interface was not found.\n"
        "error InterfaceNotFound (interface: string)\n"
        "\n"
        "# The requested method was not found\n"
        "error MethodNotFound (method: string)\n"
        "\n"
        "# The interface defines the requested method, but the service does not\n"
        "# implement it.\n"
        "error MethodNotImplemented (method: string)\n"
        "\n"
        "# One of the passed parameters is invalid.\n"
        "error InvalidParameter (parameter: string)\n"
        "\n"
        "# Client is denied access\n"
        "error PermissionDenied ()\n"
        "\n"
        "# Method is expected to be called with 'more' set to true, but wasn't\n"
        "error ExpectedMore ()\n";

static const struct {
        const char *name;
        const char *description;
} interfaces[] = {
        { "io.purser.Admin", interface_admin },
        { "io.purser.Tokens", interface_tokens },
        { "org.varlink.service", interface_service },
};

enum { N_INTERFACES = sizeof(interfaces) / sizeof(interfaces[0]) };

static const char *find_description(const char *name)
{
        for (size_t i = 0; i < N_INTERFACES; i++)
                if (strcmp(interfaces[i].name, name) == 0)
                        return interfaces[i].description;
        return NULL;
}

bool interface_is_known(const char *name)
{
        return find_description(name) != NULL;
}

int method_get_info(struct service *service, struct call *call)
{
        return reply_values(call, json_pack("{s:s, s:s, s:s, s:s, s:[s, s, s]}", "vendor", "Purser",
                                            "product", "purserd", "version", service->parts.facts.version,
                                            "url", "man:purserd(8)", "interfaces", interfaces[0].name,
                                            interfaces[1].name, interfaces[2].name));
}

int method_get_interface_description(struct service *service, struct call *call)
{
        struct {
                const char *interface;
        } args;
        static const struct argument arguments[] = {
                { "interface", ARGUMENT_STRING, true, offsetof(__typeof__(args), interface) },
        };
        const char *description;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        description = find_description(args.interface);
        if (!description)
                return reply_error(call, OUTCOME_INTERFACE_NOT_FOUND,
                                   &(struct error_facts){ .name = args.interface });
        return reply_values(call, json_pack("{s:s}", "description", description));
}
