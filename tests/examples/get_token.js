// node get_token.js CREDENTIAL: one request to the API, with the token that purserd gives. Node 18 or later, no packages.
const net = require('node:net');

async function getToken(parameters) {
    const purser = net.connect(process.env.PURSER_SOCKET ?? '/run/purser/purser.sock').setEncoding('utf8');
    purser.write(JSON.stringify({ method: 'io.purser.Tokens.GetToken', parameters }) + '\0');
    let answer = '';
    for await (const part of purser)
        if ((answer += part).endsWith('\0')) break;
    const reply = JSON.parse(answer.slice(0, -1));
    if (reply.error) throw new Error(`${reply.error}: ${JSON.stringify(reply.parameters)}`);
    return reply.parameters;
}

const ask = (bundle, query) => fetch(bundle.api_url, {
    method: 'POST', body: JSON.stringify({ query }),
    headers: [['Content-Type', 'application/json'], ...bundle.headers.map(({ name, value }) => [name, value])],
});

(async () => {
    const credential = process.argv[2], query = '{ account { id name } }';
    let bundle = await getToken({ credential });
    let response = await ask(bundle, query);
    if (response.status === 401) {
        bundle = await getToken({ credential, rejected: bundle.access_token });
        response = await ask(bundle, query);
    }
    console.log(await response.text());
    process.exitCode = response.ok ? 0 : 1;
})();
