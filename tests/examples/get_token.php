<?php
// php get_token.php CREDENTIAL: one request to the API, with the token that purserd gives. No extensions, no packages.

function get_token(array $parameters): array
{
    $purser = stream_socket_client('unix://' . (getenv('PURSER_SOCKET') ?: '/run/purser/purser.sock'));
    fwrite($purser, json_encode(['method' => 'io.purser.Tokens.GetToken', 'parameters' => $parameters]) . "\0");
    $reply = json_decode(stream_get_line($purser, 1 << 20, "\0"), true);
    if (isset($reply['error'])) {
        exit($reply['error'] . ': ' . json_encode($reply['parameters']) . "\n");
    }
    return $reply['parameters'];
}

function ask(array $bundle, string $query): array
{
    $headers = array_map(fn($header) => "{$header['name']}: {$header['value']}", $bundle['headers']);
    $body = file_get_contents($bundle['api_url'], false, stream_context_create(['http' => [
        'method' => 'POST', 'header' => ['Content-Type: application/json', ...$headers],
        'content' => json_encode(['query' => $query]), 'ignore_errors' => true]]));
    return [(int) explode(' ', $http_response_header[0])[1], $body];
}

$bundle = get_token(['credential' => $argv[1]]);
[$status, $body] = ask($bundle, '{ account { id name } }');
if ($status === 401) {
    $bundle = get_token(['credential' => $argv[1], 'rejected' => $bundle['access_token']]);
    [$status, $body] = ask($bundle, '{ account { id name } }');
}
echo $body, "\n";
exit($status === 200 ? 0 : 1);
