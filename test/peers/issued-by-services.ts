import { email, invalid, newEmail, unusable, unverified, type Issued } from './issued-tokens.ts'

/**
 * Stand-ins for services and servers that sign users in, by their documentation: the claims of each, with the audience that its
 * recipe expects. The issuer and the times are added when a token is issued.
 */
export const issuedByServices: Record<string, Issued> = {
  Auth0: {
    claims: {
      sub: 'auth0|66f0c1d2e3',
      aud: ['https://api.example.com', 'https://example.eu.auth0.com/userinfo'],
      azp: 'the-client',
      scope: 'openid profile email',
      'https://example.com/email': email,
    },
    renamed: { 'https://example.com/email': newEmail },
    refused: [
      invalid('aud', 'a token for the user info alone', { aud: 'https://example.eu.auth0.com/userinfo' }),
      unusable('an email that the Action left out', { 'https://example.com/email': undefined }),
    ],
  },
  Keycloak: {
    claims: {
      jti: 'onrtac:1',
      sub: 'f8a3c2d1',
      aud: ['widgets', 'account'],
      typ: 'Bearer',
      azp: 'app',
      sid: 'e1',
      acr: '1',
      realm_access: { roles: ['offline_access'] },
      scope: 'openid profile email',
      email_verified: true,
      preferred_username: 'ada',
      email,
    },
    renamed: { email: newEmail },
    refused: [
      invalid('aud', 'a token of a client without the audience mapper', { aud: 'account' }),
      invalid('iss', 'a token of another realm', { iss: 'https://id.example.com/realms/other' }),
      ...unverified,
    ],
  },
  Clerk: {
    claims: {
      azp: 'https://app.example.com',
      sub: 'user_2abc',
      sid: 'sess_2abc',
      sts: 'active',
      fva: [7, -1],
      v: 2,
      email,
      email_verified: true,
    },
    alsoGood: { 'a token for a page load, which has no party': { azp: undefined } },
    renamed: { email: newEmail },
    refused: [
      invalid('azp', 'a token of another app', { azp: 'https://other.example.com' }),
      invalid('azp', 'a token without party and session', { azp: undefined, sid: undefined }),
      ...unverified,
    ],
  },
  Supabase: {
    algorithm: 'ES256',
    claims: {
      aud: 'authenticated',
      sub: '123e4567-e89b-12d3-a456-426614174000',
      email,
      phone: '',
      app_metadata: { provider: 'email', providers: ['email'] },
      // Users may write here.
      user_metadata: { email: 'eve@example.com', email_verified: false },
      role: 'authenticated',
      aal: 'aal1',
      amr: [{ method: 'password', timestamp: 1_640_991_600 }],
      session_id: 'c1',
      is_anonymous: false,
    },
    renamed: { email: newEmail },
    refused: [
      invalid('aud', 'a key of the project', { aud: undefined, role: 'anon', email: undefined }),
      unusable('an anonymous user', { email: '', is_anonymous: true }, 'email_not_plain'),
    ],
  },
  Okta: {
    claims: {
      ver: 1,
      jti: 'AT.1',
      aud: 'api://default',
      cid: 'the-client',
      uid: '00u1',
      scp: ['openid', 'email'],
      auth_time: 1_640_991_600,
      sub: 'ada',
      email,
    },
    renamed: { email: newEmail, sub: 'ada.king' },
    refused: [
      invalid('aud', 'an ID token', { aud: 'the-client' }),
      unusable('an authorization server without the claim', { email: undefined }),
    ],
  },
}
