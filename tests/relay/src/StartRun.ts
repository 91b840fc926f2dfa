// Changing things: each mutation says in `userErrors` what the user can mend.
import { graphql } from "relay-runtime";

export const errors = graphql`
  fragment StartRun_errors on UserError @relay(plural: true) {
    __typename
    code
    message
    path
    ... on IdempotencyConflictError {
      firstRequestAt
    }
  }
`;

export const start = graphql`
  mutation StartRunMutation($input: StartRunInput!) {
    startRun(input: $input) {
      run {
        id
        status
        ...RunPage_timeline
      }
      userErrors {
        ...StartRun_errors
      }
    }
  }
`;

export const cancel = graphql`
  mutation StartRunCancelMutation($input: CancelRunInput!) {
    cancelRun(input: $input) {
      run {
        id
        status
        cancelRequestedAt
      }
      userErrors {
        ...StartRun_errors
      }
    }
  }
`;

export const upload = graphql`
  mutation StartRunUploadMutation($input: UploadFilesInput!) {
    uploadFiles(input: $input) {
      results {
        file {
          id
          path
          sha256
        }
        userErrors {
          ...StartRun_errors
          ... on FileRefusedError {
            expectedFormats
            detectedFormat
          }
        }
      }
      userErrors {
        ...StartRun_errors
      }
    }
  }
`;
