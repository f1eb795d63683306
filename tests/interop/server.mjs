// An authorization server by people who never heard of Purser (npm's oidc-provider), for a test to log in at: loopback only,
// PKCE required, refresh tokens rotated, a spent one revokes its grant, access tokens short-lived, discovery and RFC 7009.
//
//     node server.mjs REDIRECT_URI [ACCESS_TOKEN_SECONDS [OPTIONS]]
//
// OPTIONS is a JSON object: key names a file in PEM with the key of purser-key, which authenticates by private_key_jwt, alg and
// kid how and by which name it does; "par": "required" takes authorization requests that were pushed (RFC 9126), and no others.
//
// Prints `ready http://127.0.0.1:PORT`. Clients: purser-basic, purser-post (secrets below), purser-public, purser-key,
// purser-itself, which asks for itself, and purser-device, for people elsewhere. Whoever comes
// is logged in as acme-owner and consents; `_account` and `_decision=deny` in the authorization URL change that.
// GET /_control/state tells what happened; POST /_control/revoke ends all grants as their owner might, elsewhere.

import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [redirectUri, accessTokenSeconds = '10', options = '{}'] = process.argv.slice(2);
if (!redirectUri) {
    process.stderr.write('usage: node server.mjs REDIRECT_URI [ACCESS_TOKEN_SECONDS [OPTIONS]]\n');
    process.exit(64);
}

const client = (id, method, secret) => ({
    client_id: id,
    ...(secret && { client_secret: secret }),
    token_endpoint_auth_method: method,
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
});

const clients = [
    client('purser-basic', 'client_secret_basic', 'basic: a secret/with+odd%signs & blanks'),
    client('purser-post', 'client_secret_post', 'post-secret-0123456789abcdefghijklmnop'),
    client('purser-public', 'none'),
    {
        ...client('purser-device', 'client_secret_basic', 'device-secret-0123456789abcdefghijklmn'),
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'], response_types: [], redirect_uris: [],
    },
    {
        client_id: 'purser-itself', client_secret: 'itself-secret-0123456789abcdefghijklmno', redirect_uris: [],
        token_endpoint_auth_method: 'client_secret_basic', grant_types: ['client_credentials'], response_types: [],
        id_token_signed_response_alg: 'ES256',
    },
];

const { key, alg, kid, par } = JSON.parse(options);
if (key) {
    clients.push({
        ...client('purser-key', 'private_key_jwt'), ...(alg && { token_endpoint_auth_signing_alg: alg }),
        jwks: { keys: [{ ...createPublicKey(readFileSync(key)).export({ format: 'jwk' }), ...(kid && { kid }) }] },
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials',
            'urn:ietf:params:oauth:grant-type:device_code'],
    });
}

const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const configuration = {
    clients,
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
    jwks: { keys: [{ ...signingKey, use: 'sig', alg: 'ES256' }] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    scopes: ['openid'],
    extraParams: ['_account', '_decision'],
    features: {
        devInteractions: { enabled: false }, revocation: { enabled: true }, clientCredentials: { enabled: true },
        deviceFlow: { enabled: true },
        pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: par === 'required' },
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    pkce: { methods: ['S256'], required: () => true },
    issueRefreshToken: async (_, owner) => owner.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    ttl: {
        AccessToken: Number(accessTokenSeconds), AuthorizationCode: 60, IdToken: 600,
        Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600,
    },
};

// What happened, for the test.
const seen = { pushed: 0, exchanges: 0, refreshes: 0, revoked: 0, errors: [], refresh_token: [], access_token: [], code: [] };
const grantIds = new Set();

// The person: logs in, then consents or denies.
async function interact(provider, request, response) {
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    if (params._decision === 'deny') {
        const result = { error: 'access_denied', error_description: 'the person said no' };
        return provider.interactionFinished(request, response, result);
    }
    if (prompt.name === 'login') {
        return provider.interactionFinished(request, response, { login: { accountId: params._account ?? 'acme-owner' } });
    }
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    const grantId = await grant.save();
    grantIds.add(grantId);
    return provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
}

async function revokeAll(provider) {
    for (const id of grantIds) {
        await provider.RefreshToken.revokeByGrantId(id);
        await provider.AccessToken.revokeByGrantId(id);
        await (await provider.Grant.find(id))?.destroy();
    }
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
    const issuer = `http://127.0.0.1:${server.address().port}`;
    const provider = new Provider(issuer, configuration);
    provider.on('pushed_authorization_request.success', () => { seen.pushed += 1; });
    provider.on('grant.success', (ctx) => {
        seen[ctx.oidc.params.grant_type === 'refresh_token' ? 'refreshes' : 'exchanges'] += 1;
    });
    provider.on('grant.error', (ctx, error) => seen.errors.push(error.error));
    provider.on('grant.revoked', () => { seen.revoked += 1; });
    provider.on('refresh_token.saved', (token) => seen.refresh_token.push(token.jti));
    provider.on('access_token.saved', (token) => seen.access_token.push(token.jti));
    provider.on('client_credentials.saved', (token) => seen.access_token.push(token.jti));
    provider.on('device_code.saved', (code) => seen.code.push(code.jti));
    provider.on('authorization_code.saved', (code) => seen.code.push(code.jti));

    const callback = provider.callback();
    server.on('request', async (request, response) => {
        try {
            if (request.url.startsWith('/interaction/')) {
                await interact(provider, request, response);
            } else if (request.url === '/_control/revoke' && request.method === 'POST') {
                await revokeAll(provider);
                response.end('{}');
            } else if (request.url === '/_control/state') {
                response.setHeader('Content-Type', 'application/json');
                response.end(JSON.stringify({ ...seen, client_secret: clients.map((c) => c.client_secret).filter(Boolean) }));
            } else {
                callback(request, response);
            }
        } catch (error) {
            response.statusCode = 500;
            response.end(String(error));
        }
    });
    process.stdout.write(`ready ${issuer}\n`);
});
