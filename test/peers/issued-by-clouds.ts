import { email, invalid, newEmail, otherId, unusable, unverified, type Issued } from './issued-tokens.ts'

/**
 * Stand-ins for cloud providers, by their documentation: the claims of each, with the audience that its
 * recipe expects. The issuer and the times are added when a token is issued.
 */
export const issuedByClouds: Record<string, Issued> = {
  Cognito: {
    claims: {
      sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
      aud: 'your-app-client-id',
      token_use: 'id',
      'cognito:username': 'ada',
      event_id: 'e1',
      auth_time: 1_640_991_600,
      email_verified: true,
      email,
    },
    alsoGood: { 'an email_verified that is a string': { email_verified: 'true' } },
    renamed: { email: newEmail },
    refused: [
      invalid('aud', 'the access token', {
        aud: undefined,
        client_id: 'your-app-client-id',
        token_use: 'access',
        email: undefined,
        email_verified: undefined,
      }),
      invalid('aud', 'a token of another app client', { aud: 'another-app-client-id' }),
      ...unverified,
    ],
  },
  'Entra ID': {
    claims: {
      aud: 'your-application-client-id',
      idp: 'https://sts.windows.net/00000000-0000-4000-8000-000000000000/',
      name: 'Ada',
      oid: '7c1f',
      preferred_username: email,
      sub: 'AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ',
      tid: '00000000-0000-4000-8000-000000000000',
      ver: '2.0',
      email,
    },
    // The subject is another one for each application.
    renamed: { email: newEmail, preferred_username: newEmail, sub: 'BBBB' },
    refused: [
      invalid('aud', 'a token for Microsoft Graph', { aud: '00000003-0000-0000-c000-000000000000' }),
      invalid('iss', 'a token of another tenant', {
        iss: `https://login.microsoftonline.com/${otherId}/v2.0`,
      }),
      {
        what: 'a guest of another organization',
        changes: { email: 'eve@example.org' },
        refusal: { code: 'email_domain_not_allowed' },
      },
      unusable('a user without an email', { email: undefined }),
    ],
  },
  'Azure AD B2C': {
    jwksPath: '/example.onmicrosoft.com/B2C_1_signin/discovery/v2.0/keys',
    claims: {
      ver: '1.0',
      sub: '884408e1',
      aud: 'your-application-client-id',
      acr: 'b2c_1_signin',
      tfp: 'B2C_1_signin',
      auth_time: 1_640_991_600,
      name: 'Ada',
      emails: [email],
    },
    renamed: { emails: [newEmail] },
    refused: [
      invalid('aud', 'a token for another application', { aud: otherId }),
      unusable('a user flow that returns no email', { emails: undefined }),
    ],
  },
  Firebase: {
    claims: {
      aud: 'your-project-id',
      auth_time: 1_640_991_600,
      user_id: 'w1',
      sub: 'w1',
      email,
      email_verified: true,
      firebase: { identities: { email: [email] }, sign_in_provider: 'password' },
    },
    renamed: { email: newEmail },
    refused: [
      invalid('aud', 'a token of another project', { aud: 'another-project' }),
      invalid('iss', 'a session cookie', { iss: 'https://session.firebase.google.com/your-project-id' }),
      unusable('a user who signed in by phone', { email: undefined, email_verified: undefined }),
      ...unverified,
    ],
  },
  'Google IAP': {
    jwksPath: '/iap/verify/public_key-jwk',
    algorithm: 'ES256',
    claims: {
      aud: '/projects/123456789/global/backendServices/987654321',
      azp: '/projects/123456789/global/backendServices/987654321',
      email,
      hd: 'example.com',
      sub: 'accounts.google.com:114',
    },
    renamed: { email: newEmail },
    refused: [
      invalid('aud', 'a token for another backend service', {
        aud: '/projects/123456789/global/backendServices/1',
      }),
    ],
  },
  'Cloudflare Access': {
    jwksPath: '/cdn-cgi/access/certs',
    claims: {
      aud: ['the-audience-tag-of-the-application'],
      email,
      nbf: 1_640_991_600,
      type: 'app',
      identity_nonce: '6ei69kawdKzMIAPF',
      sub: '7335d417-61da-459d-899c-0a01c76a2f94',
      country: 'US',
    },
    renamed: { email: newEmail },
    refused: [
      invalid('aud', 'a token for another application', { aud: ['another-audience-tag'] }),
      unusable('a service token', { email: undefined, sub: '', common_name: 'a-service.access' }),
    ],
  },
}
